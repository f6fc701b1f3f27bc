"""Models for a warehouse (dbt), and queries for the tiles of a BI tool."""
