package main

func notPartOfTheStage() {}
