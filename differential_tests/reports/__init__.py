"""Reports: the same checks for a build server, a browser, a program, a pull request and a terminal."""
