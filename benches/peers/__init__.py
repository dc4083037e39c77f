"""Text to vector on the same weights in the same run: our encoder beside those of other projects.

``python -m benches.peers`` starts one process per encoder, lets one run at a time in random order,
and prints medians, ratios, memory and how near each encoder's vectors are to the reference.
"""
