"""The operator's console: pages under `/console`, rendered here, without a build step.

`routes` parse a request, ask the functions of the API's routes and render; `pages` are pure: from data they make the
view models, the words and the drawings; `templates` and `static` are files as they are. How to add a page stands in
CONTRIBUTING.md.
"""
