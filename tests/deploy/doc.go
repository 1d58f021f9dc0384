// Package deploy has no code: its tests try each file of docs/deploy with the program that it is
// for, and a server. Where a program is not installed its test is skipped, and says so.
package deploy
