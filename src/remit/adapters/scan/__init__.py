"""What ``remit scan`` reads of this machine, through git where it can, and the two files that it writes when asked."""
