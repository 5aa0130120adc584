"""The only places that touch processes, ids, files, secrets, signals, the log and errors."""
