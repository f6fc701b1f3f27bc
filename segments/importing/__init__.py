"""Files of commands, CSV or NDJSON, as people and spreadsheets write them, read line by line.

Imports schemas and service; command line and dashboard import it.
"""
