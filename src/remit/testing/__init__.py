"""What a user needs to test against Remit: fakes, clocks, crash points; public, documented, used by our own tests."""
