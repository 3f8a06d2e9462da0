"""One module and one Markdown prompt per task; `registry` finds them."""
