package main

import (
	"os/user"
	"strconv"
)

// ownerName writes who owns a bus as user:group, by name where there is one; "" if nobody does.
func ownerName(uid, gid int) string {
	if uid < 0 {
		return ""
	}
	return userName(uid) + ":" + groupName(gid)
}

func userName(uid int) string {
	name := strconv.Itoa(uid)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return name
}

func groupName(gid int) string {
	name := strconv.Itoa(gid)
	if g, err := user.LookupGroupId(name); err == nil {
		name = g.Name
	}
	return name
}
