"""What predicts a price: the schema of a house, the recipes, and the artifacts they leave."""
