-- Block other holders and renewals of a lease until the transaction ends. Parameters: name.
SELECT FROM projections.lease WHERE name = $1 FOR UPDATE
