-- Whether the topic is to be published as a whole.
SELECT anew FROM projections.telling
