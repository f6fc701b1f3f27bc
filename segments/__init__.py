"""The composition root: the command line and the roles it starts. Imported by nobody."""
