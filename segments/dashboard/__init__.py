"""The Admin Dashboard under /admin: a module and a template for each page, rendered on the server.

Imports projections.http and queries, and service.http; segments.http mounts it. Pages have neither SQL nor rules.
"""
