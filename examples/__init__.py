"""Examples of what stands around Segments: publishers as a stranger would write them.

Plainly outside the product: nothing here imports the service, and the service nothing here.
"""
