"""Kafka: clients, logins, topics and their ids, publishing; aiokafka's private API is used in aiokafka_internals.

Imports only runtime.
"""
