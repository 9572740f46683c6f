"""Reports of checks for a build server, a browser, a program, a pull request and a terminal."""
