"""Crowd work: pages that ask people about a run's generations, and what their answers say."""
