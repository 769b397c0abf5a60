#!/bin/sh
# A film to one BVH file a person, and the film with the skeletons on it: examples/film_to_bvh.sh clip.mp4 FOLDER
set -eu
film=$1 folder=$2
mkdir -p "$folder"
realtime export "$film" --to bvh --out "$folder/motion.bvh"
realtime render "$film" -o "$folder/skeletons.mp4"
ls "$folder"
