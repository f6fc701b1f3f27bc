-- Whether anything was ever sealed.
SELECT EXISTS (SELECT FROM segments.seal_checkpoint)
