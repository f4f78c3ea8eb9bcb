"""The pages: of each its data first, as plain functions, then its layout, then its callbacks."""
