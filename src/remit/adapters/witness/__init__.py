"""Outside parties who vouch for the log's heads: C2SP witnesses, and RFC 3161 time stamps. Only when configured."""
