"""API keys: made and revoked by admins, remembered by the API, usable while the database is away.

May be imported from service.api, projections and segments.
"""
