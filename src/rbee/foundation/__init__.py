"""Mechanisms that two rooms or more use today. Nothing here knows what a queen is."""
