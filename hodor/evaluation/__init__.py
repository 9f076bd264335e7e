"""Scoring label maps against the truth: region similarity J, contour accuracy F, and the reports about them."""
