"""Kafka: clients and logins, topics and their ids, publishing; aiokafka's private parts stand in aiokafka_internals.

Imports runtime alone.
"""
