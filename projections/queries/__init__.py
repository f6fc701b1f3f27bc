"""Read queries, as functions on a connection of role segments_api; each statement is a file.

Imports fold; knows neither routes nor responses.
"""
