-- Whether any override is ever to lapse. Parameters: slot.
SELECT EXISTS (SELECT FROM projections.membership WHERE slot = $1 AND expires_at IS NOT NULL)
