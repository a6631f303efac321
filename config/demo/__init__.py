"""The demo: the main job, once, on real data, through the doors that everybody uses."""
