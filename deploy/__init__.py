"""What monitors and deploys the service."""
