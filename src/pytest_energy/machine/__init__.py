"""What this machine is and what runs on it: class, load, CPU time of processes, sensors."""
