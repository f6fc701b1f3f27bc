"""What tests on the real stack share: settings of their own, processes, publishing, reading, the comparison."""
