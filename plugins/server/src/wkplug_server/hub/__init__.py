"""A server for a team: users with tokens, teams, folders, datasets that are uploaded, shared and described.

`database` keeps who is who and what is where, `rights` says who may do what, `datasets` joins the database with the
files, `uploads` takes files in, `routes` are the paths of WEBKNOSSOS' API over all of that.
"""
