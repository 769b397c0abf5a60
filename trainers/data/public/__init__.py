"""Read public data sets: Human3.6M, HumanEva, MPI-INF-3DHP, 3DPW."""
