"""Outside finders of personal data. Optional: ``remit.redact.personal`` needs none of them."""
