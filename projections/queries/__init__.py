"""What is read, as functions on a connection of role segments_api; each statement stands in a file.

Imports fold; knows neither routes nor responses.
"""
