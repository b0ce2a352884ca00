"""Numbers in, estimates out: paired change, trends, models, ordered groups, agreement. Knows no study."""
