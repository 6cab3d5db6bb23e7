"""A finished model in the forms in which people use it elsewhere."""
