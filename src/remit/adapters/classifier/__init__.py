"""Outside classifiers of text, asked over HTTP."""
