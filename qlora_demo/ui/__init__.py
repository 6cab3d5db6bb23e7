"""The page: one module for each tab, pure view functions beside them."""
