"""What travels and what is stored: commands, refusals, headers, names, published documents.

Pure: it imports neither Kafka nor Postgres, and none of our other folders; all may import it.
"""
