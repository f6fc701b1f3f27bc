"""What is read over HTTP, as functions on a connection of role segments_api; each statement stands in a file.

May be imported from projections.http; imports neither routes nor responses.
"""
