"""What knows no MRI: files, errors, memory, devices, interruption, launching."""
