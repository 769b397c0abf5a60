"""Define the networks of papers, each under the lifter contract."""
