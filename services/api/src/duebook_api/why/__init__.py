"""Why something ran, did not, or waits: causes out of the books, in sentences for somebody who has read no manual."""
