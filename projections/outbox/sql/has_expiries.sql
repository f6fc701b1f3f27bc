-- Whether any override has an expiry. Parameters: slot.
SELECT EXISTS (SELECT FROM projections.membership WHERE slot = $1 AND expires_at IS NOT NULL)
