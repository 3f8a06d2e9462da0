"""Write findings to the destinations of the input `report`, and read back what they hold."""
