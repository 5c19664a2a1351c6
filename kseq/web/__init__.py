"""Pages in a browser: what the report and the page of the server share."""
