"""Exports of the audit log as files, and their check; what the files must say is in ``remit.audit.bundle``."""
