"""The words every room speaks: plain data and plain functions, no input or output."""
